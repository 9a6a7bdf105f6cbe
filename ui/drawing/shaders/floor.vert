#version 330
uniform mat4 clip_from_world;
uniform mat4 light_from_world;
uniform vec4 patch_m;  // centre x, centre z, half size, height
in vec2 in_corner;
out vec2 floor_m;
out vec3 light_clip;

void main() {
    floor_m = patch_m.xy + in_corner * patch_m.z;
    vec4 world = vec4(floor_m.x, patch_m.w, floor_m.y, 1.0);
    light_clip = (light_from_world * world).xyz;
    gl_Position = clip_from_world * world;
}
