#version 330
in vec2 in_corner;      // -1 to 1
out vec2 uv;

void main() {
    // The first row of the picture is its top one.
    uv = vec2(in_corner.x, -in_corner.y) * 0.5 + 0.5;
    gl_Position = vec4(in_corner, 0.0, 1.0);
}
