#version 330
#include "skin.glsl"
uniform mat4 clip_from_world;
uniform mat4 light_from_world;
in ivec4 in_normal;
in vec4 in_colour;
out vec3 normal;
out vec3 world_m;
out vec3 light_clip;
out vec4 colour;

void main() {
    mat4 bone = skin();
    vec4 world = bone * vec4(in_position, 1.0);
    world_m = world.xyz;
    normal = mat3(bone) * vec3(in_normal.xyz);
    colour = vec4(in_colour.rgb * in_colour.rgb, in_colour.a);
    light_clip = (light_from_world * world).xyz;
#ifdef MIRRORED
    world.y = -world.y;
#endif
    gl_Position = clip_from_world * world;
}
