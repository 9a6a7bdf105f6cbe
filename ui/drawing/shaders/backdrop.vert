#version 330
in vec2 in_corner;
out vec2 where;

void main() {
    where = in_corner;
    gl_Position = vec4(in_corner, 0.99999, 1.0);
}
