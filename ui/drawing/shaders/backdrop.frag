#version 330
#include "light.glsl"
#include "stage.glsl"
uniform float horizon;  // its height on the screen, -1 to 1
uniform float aspect;
uniform float swell;
uniform vec2 outlook;      // where the camera looks, radians about the vertical; tangent of half its width
in vec2 where;
out vec4 screen;

void main() {
    float up = max(where.y - horizon, 0.0);
    vec3 wall = mix(horizon_light, zenith_light, up / (up + 0.45));
    vec2 glow_at = vec2(where.x * aspect * 0.55, (where.y - horizon) * 1.1 - 0.15);
    wall += glow_light / (1.0 + 3.2 * dot(glow_at, glow_at)) * smoothstep(0.0, 0.5, up);
#ifdef STRIPS
    vec4 strip = strip_at(outlook.x + angle_of(where.x * outlook.y));
    float tall = 1.0 - smoothstep(0.0, 0.25, up - (0.45 + 0.75 * strip.w) * (0.55 + 0.45 * swell));
    vec3 colour = mix(strip_light[0], strip_light[1], strip.z);
    wall += colour * (strip.x * 0.55 + strip.y) * tall * (0.12 + 0.88 * swell) * smoothstep(0.0, 0.05, up);
#endif
    // A dark gradient in 8 bits shows bands; a little ordered noise hides them.
    float noise = fract(52.9829 * fract(dot(gl_FragCoord.xy, vec2(0.06711, 0.00584)))) - 0.5;
    screen = vec4(to_screen(wall) + noise / 160.0, 1.0);
}
