#version 330
#include "contact.glsl"
in vec2 floor_m;
flat in vec4 heel;
flat in vec4 ball;
out vec4 screen;  // premultiplied black: what lies under it is darkened

void main() {
    // Close under a sole the sky is hidden: by the nearest sphere of those between heel and ball, over a plane.
    vec2 foot = ball.xz - heel.xz;
    float along = clamp(dot(floor_m - heel.xz, foot) / max(dot(foot, foot), 1e-6), 0.0, 1.0);
    vec4 sole = mix(heel, ball, along);
    vec3 d = sole.xyz - vec3(floor_m.x, 0.0, floor_m.y);
    float near = inversesqrt(dot(d, d));
    float hidden = min(1.5 * d.y * sole.w * sole.w * near * near * near, 0.75);
    // Nothing at the patch's rim, that no edge of it is seen.
    vec2 out_m = (floor_m - sole.xz) / REACH;
    float open = 1.0 - hidden * max(1.0 - dot(out_m, out_m), 0.0);
    screen = vec4(0.0, 0.0, 0.0, 1.0 - sqrt(open));
}
