#version 330
#include "light.glsl"
#include "stage.glsl"
uniform float horizon;  // its height on the screen, -1 to 1
uniform float aspect;
in vec2 where;
out vec4 screen;

void main() {
    float up = max(where.y - horizon, 0.0);
    vec3 wall = mix(HORIZON, ZENITH, up / (up + 0.45));
    vec2 glow_at = vec2(where.x * aspect * 0.55, (where.y - horizon) * 1.1 - 0.15);
    wall += GLOW / (1.0 + 3.2 * dot(glow_at, glow_at)) * smoothstep(0.0, 0.6, up);
    // A dark gradient in 8 bits shows bands; a little ordered noise hides them.
    float noise = fract(52.9829 * fract(dot(gl_FragCoord.xy, vec2(0.06711, 0.00584)))) - 0.5;
    screen = vec4(to_screen(wall) + noise / 160.0, 1.0);
}
