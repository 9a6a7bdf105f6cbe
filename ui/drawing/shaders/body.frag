#version 330
#include "light.glsl"
uniform float swell;  // 1 on the beat, less between
#ifdef SPOTS
in vec4 pooled;
#endif
in vec3 normal;
in vec3 world_m;
in vec3 light_clip;
in vec4 colour;
out vec4 screen;  // premultiplied

void main() {
    vec3 n = normalize(normal);
    vec3 view = normalize(eye_m - world_m);
    float facing = max(dot(n, view), 0.0);
    float edge = 1.0 - facing;
#if defined(GHOST)
    edge *= edge;
    float cover = 0.14 + 0.66 * edge;
    screen = vec4(to_screen(vec3(0.50, 0.72, 1.05) + 0.4 * colour.rgb) * cover, cover);
#elif defined(GLOW)
    // A figure of light: brightest along its edges, breathing with the beat.
    float ring = smoothstep(0.22, 0.5, abs(fract(world_m.y * 16.0) - 0.5));
    vec3 glow = colour.rgb * (0.10 + 0.16 * facing + 0.20 * ring) + colour.rgb * edge * edge * (1.2 + 1.4 * swell);
    screen = vec4(to_screen(glow * (0.65 + 0.35 * swell) + colour.a * 1.6 * colour.rgb), 1.0);
#else
    // Wrapped a little past the terminator: skin and cloth do not end in a hard line.
    float key = max((dot(n, towards_light) + 0.15) / 1.15, 0.0);
#if defined(RICH) || !defined(MIRRORED)
    key *= lit(light_clip);
#endif
    float up = 0.5 + 0.5 * n.y;
    // Near the floor less of the sky is seen; cheap occlusion that grounds the feet.
    float open = 0.55 + 0.45 * smoothstep(0.0, 0.5, world_m.y);
    edge *= edge * edge;
    vec3 halfway = normalize(view + towards_light);
    float shine = max(dot(n, halfway), 0.0);
    shine *= shine; shine *= shine; shine *= shine; shine *= shine;
    shine *= shine;
    vec3 rim = mix(rim_left, rim_right, 0.5 + 0.5 * n.x);
    vec3 light = colour.rgb * (mix(bounce_light, sky_light, up) * open + key * key_light)
               + colour.a * 0.45 * shine * key * key_light
               + edge * (0.35 + 0.65 * up) * rim * (0.4 + colour.a) * (0.3 + colour.rgb);
#ifdef SPOTS
    // Who stands in a pool of light is in its beam, which comes from above; the floor throws it back at the legs.
    float caught = 0.55 + 1.05 * up + 0.7 * (1.0 - up) * pooled.w;
    light += (colour.rgb + 0.06 * edge) * pooled.rgb * caught;
#endif
    screen = vec4(to_screen(light), 1.0);
#endif
#ifdef MIRRORED
    // What is high above the floor is blurred away in it.
    screen *= exp(-1.7 * world_m.y);
#endif
}
