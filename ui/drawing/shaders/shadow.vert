#version 330
#include "skin.glsl"
uniform mat4 light_from_world;

void main() {
    gl_Position = light_from_world * (skin() * vec4(in_position, 1.0));
}
