#version 330
#include "light.glsl"
in vec3 normal;
in vec3 world_m;
in vec3 light_clip;
in vec4 colour;
out vec4 screen;

void main() {
    vec3 n = normalize(normal);
    vec3 view = normalize(eye_m - world_m);
    float facing = max(dot(n, view), 0.0);
    // Wrapped a little past the terminator: skin and cloth do not end in a hard line.
    float key = max((dot(n, towards_light) + 0.15) / 1.15, 0.0) * lit(light_clip);
    float up = 0.5 + 0.5 * n.y;
    // Near the floor less of the sky is seen; cheap occlusion that grounds the feet.
    float open = 0.55 + 0.45 * smoothstep(0.0, 0.5, world_m.y);
    float edge = 1.0 - facing;
    edge *= edge * edge;
    vec3 halfway = normalize(view + towards_light);
    float shine = max(dot(n, halfway), 0.0);
    shine *= shine; shine *= shine; shine *= shine; shine *= shine;
    shine *= shine;
    vec3 light = colour.rgb * (mix(BOUNCE, SKY, up) * open + key * KEY)
               + colour.a * 0.45 * shine * key * KEY
               + edge * (0.35 + 0.65 * up) * RIM * (0.4 + colour.a);
    screen = vec4(to_screen(light), 1.0);
}
