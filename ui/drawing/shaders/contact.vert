#version 330
#include "contact.glsl"
uniform mat4 clip_from_world;
in vec2 in_corner;  // -1 to 1
in vec4 in_heel;    // spheres: x, height, z, radius
in vec4 in_ball;
out vec2 floor_m;
flat out vec4 heel;
flat out vec4 ball;

// Above the floor, within the sole.
const float LIFT = 0.003;

void main() {
    vec2 half_m = 0.5 * abs(in_heel.xz - in_ball.xz) + REACH;
    floor_m = 0.5 * (in_heel.xz + in_ball.xz) + in_corner * half_m;
    heel = in_heel;
    ball = in_ball;
    gl_Position = clip_from_world * vec4(floor_m.x, LIFT, floor_m.y, 1.0);
}
