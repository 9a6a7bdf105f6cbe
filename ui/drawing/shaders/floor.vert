#version 330
uniform mat4 clip_from_world;
uniform mat4 light_from_world;
#ifdef STRIPS
uniform vec3 eye_m;
uniform vec2 outlook;  // where the camera looks, radians about the vertical
out vec2 seen_at;      // sideways and ahead of the eye
#endif
uniform vec4 patch_m;  // centre x, centre z, half size, height
in vec2 in_corner;
out vec2 floor_m;
out vec3 light_clip;

void main() {
    floor_m = patch_m.xy + in_corner * patch_m.z;
    vec4 world = vec4(floor_m.x, patch_m.w, floor_m.y, 1.0);
    light_clip = (light_from_world * world).xyz;
#ifdef STRIPS
    vec2 ahead = vec2(sin(outlook.x), -cos(outlook.x));
    vec2 from_eye = floor_m - eye_m.xz;
    seen_at = vec2(dot(from_eye, vec2(-ahead.y, ahead.x)), dot(from_eye, ahead));
#endif
    gl_Position = clip_from_world * world;
}
