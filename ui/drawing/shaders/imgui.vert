#version 330
uniform vec2 screen_px;
in vec2 in_place;
in vec2 in_source;
in vec4 in_colour;
out vec2 source;
out vec4 colour;

void main() {
    source = in_source;
    colour = in_colour;
    vec2 at = in_place / screen_px * 2.0 - 1.0;
    gl_Position = vec4(at.x, -at.y, 0.0, 1.0);
}
