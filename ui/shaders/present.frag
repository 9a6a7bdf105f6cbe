#version 330
uniform sampler2D picture;
in vec2 uv;
out vec4 screen;

void main() {
    screen = vec4(texture(picture, uv).rgb, 1.0);
}
