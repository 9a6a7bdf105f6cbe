#version 330
#include "light.glsl"
#include "stage.glsl"
uniform vec2 pool_m;  // centre of the pool of light
in vec2 floor_m;
in vec3 light_clip;
out vec4 screen;

void main() {
    vec2 out_m = floor_m - pool_m;
    float away2 = dot(out_m, out_m);
    float pool = 1.0 / (1.0 + 0.055 * away2);
    pool *= pool;
    // Boards along z, 14 cm wide; their joints fade before they get finer than a pixel.
    float board = floor_m.x * 7.0;
    float number = floor(board);
    float tone = fract(sin(number * 12.9898) * 43.758);
    float joint = smoothstep(0.44, 0.49, abs(fract(board) - 0.5)) * exp(-0.03 * away2);
    vec3 wood = mix(vec3(0.115, 0.066, 0.040), vec3(0.165, 0.098, 0.060), tone) * (1.0 - 0.45 * joint);
#ifdef SHADOWED
    float key = lit(light_clip);
#else
    float key = 1.0;
#endif
    vec3 light = wood * (SKY * 0.55 + key * KEY * 0.85) * pool;
    vec3 from_eye = vec3(floor_m.x, 0.0, floor_m.y) - eye_m;
    float far = dot(from_eye, from_eye);
    float haze = far / (far + 260.0);
    // A waxed floor mirrors the back wall's glow the more, the flatter one looks.
    float flat_look = 1.0 - clamp(-from_eye.y * inversesqrt(far), 0.0, 1.0);
    flat_look *= flat_look; flat_look *= flat_look;
    light += HORIZON * 0.30 * flat_look * (0.55 + 0.45 * key);
    screen = vec4(to_screen(mix(light, HORIZON, haze)), 1.0);
}
