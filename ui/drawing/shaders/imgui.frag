#version 330
uniform sampler2D picture;
in vec2 source;
in vec4 colour;
out vec4 screen;

void main() {
    screen = colour * texture(picture, source);
}
