#version 330
uniform sampler2D picture;
in vec2 uv;
out vec4 screen;

void main() {
    screen = texture(picture, uv);
}
