#version 330
#include "light.glsl"
#include "stage.glsl"
uniform vec2 pool_m;  // centre of the pool of light
#ifndef floor_colour  // else constants, defined in front of this
uniform vec3 floor_colour;
#endif
uniform float boards;
uniform float pool_fall;
uniform float mirrors;
uniform float swell;
uniform vec4 spots[3];       // x, z from the pool's centre, 1 / radius squared
uniform vec3 spot_light[3];
uniform float reach_m;
uniform float depth_m;       // where the floor ends
#ifdef STRIPS
uniform vec2 outlook;        // where the camera looks, radians about the vertical
#endif
in vec2 floor_m;
in vec3 light_clip;
#ifdef STRIPS
in vec2 seen_at;
#endif
out vec4 screen;  // where the floor mirrors, alpha is the share of what lies under it

void main() {
    vec2 out_m = floor_m - pool_m;
    float away2 = dot(out_m, out_m);
#if defined(WALLED) && !defined(SHADOWED)
    if (away2 > depth_m * depth_m) discard;
#endif
#ifdef SHADOWED
    float key = lit(light_clip);
#else
    float key = 1.0;
#endif
#ifdef CATCHER
    float edge = 1.0 - smoothstep(0.6, 1.0, away2 / (reach_m * reach_m));
    screen = vec4(0.0, 0.0, 0.0, 0.55 * (1.0 - key) * edge);
#else
    float pool = 1.0 / (1.0 + pool_fall * away2);
    pool *= pool;
    vec3 colour = floor_colour;
#ifdef BOARDS
    // Boards along z, 14 cm wide; they fade before they get finer than a pixel. Multiples of the golden ratio scatter
    // the tones of neighbours.
    float board = floor_m.x * 7.0;
    float sharp = 1.0 - smoothstep(0.06, 0.4, fwidth(board));
    float tone = fract(floor(board) * 0.618034) - 0.5;
    float joint = smoothstep(0.44, 0.49, abs(fract(board) - 0.5));
    colour *= 1.0 + sharp * (boards * tone - 0.45 * joint);
#endif
    vec3 light = colour * (sky_light * 0.55 + key * key_light * 0.85) * pool;
#ifdef SPOTS
    float caught = swell * (0.25 + 0.75 * key);
    for (int k = 0; k < 3; k++) {
        vec2 d = out_m - spots[k].xy;
        float q = dot(d, d) * spots[k].z;
        light += spot_light[k] * (0.22 * caught / (1.0 + q * (1.0 + q)));
    }
#endif
#if defined(WALLED) && !defined(STRIPS)
    // The floor bends up into the wall, as in a photographer's studio: no edge is seen.
    light = mix(light, horizon_light, smoothstep(0.10, 0.85, away2 / (depth_m * depth_m)));
#else
    vec3 from_eye = vec3(floor_m.x, 0.0, floor_m.y) - eye_m;
    float far = dot(from_eye, from_eye);
#if defined(STRIPS) && !defined(SHADOWED)
    // The wall's lights on the floor before it; round the dancers there is nothing of them.
    vec4 strip = strip_at(outlook.x + angle_of(seen_at.x / max(seen_at.y, 0.1)));
    float near_wall = max(1.0 - 0.22 * (depth_m - sqrt(away2)), 0.0);
    near_wall *= near_wall * near_wall;
    float thrown = (0.6 * strip.x + strip.y) * near_wall * (0.06 + 0.44 * swell);
    light += mix(strip_light[0], strip_light[1], strip.z) * thrown;
#endif
    // A waxed floor mirrors the back wall's glow the more, the flatter one looks.
    float flat_look = 1.0 - clamp(-from_eye.y * inversesqrt(far), 0.0, 1.0);
    flat_look *= flat_look; flat_look *= flat_look;
    light += horizon_light * 0.30 * flat_look * (0.55 + 0.45 * key);
#if defined(WALLED) && !defined(SHADOWED)
    // Thinner than a pixel where the floor ends: no steps.
    light = mix(light, horizon_light, smoothstep(0.90, 1.0, away2 / (depth_m * depth_m)));
#elif !defined(WALLED)
    light = mix(light, horizon_light, far * far / (far * far + 90000.0));
#endif
#endif
    screen = vec4(to_screen(light), 1.0);
#ifdef MIRRORS
    screen.a = mirrors * (1.0 + 0.4 * flat_look);
#endif
#endif
}
