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
#ifdef SPOTS
uniform vec2 pool_m;
uniform vec4 spots[3];  // as on the floor
uniform vec3 spot_light[3];
uniform float swell;
out vec4 pooled;        // what the pools of light throw here, and how much of it the floor throws back
#endif

void main() {
    mat4 bone = skin();
    vec4 world = bone * vec4(in_position, 1.0);
    world_m = world.xyz;
    normal = mat3(bone) * vec3(in_normal.xyz);
    colour = vec4(in_colour.rgb * in_colour.rgb, in_colour.a);
    light_clip = (light_from_world * world).xyz;
#ifdef SPOTS
    // They are so wide that it is enough to know this at the corners of triangles.
    vec3 sum = vec3(0.0);
    for (int k = 0; k < 3; k++) {
        vec2 d = world_m.xz - pool_m - spots[k].xy;
        float q = dot(d, d) * spots[k].z;
        sum += spot_light[k] * (swell / (1.0 + q * (1.0 + q)));
    }
    pooled = vec4(sum, exp(-2.0 * world_m.y));
#endif
#ifdef MIRRORED
    world.y = -world.y;
#endif
    gl_Position = clip_from_world * world;
}
