#version 330
uniform vec2 screen_px;
in vec2 in_corner;      // 0 to 1
in vec4 in_box;         // left, top, width, height in pixels, y down
in vec4 in_source;      // glyph: left, top, width, height in the atlas, 0 to 1
in vec4 in_colour;
in vec2 in_kind;        // 0 glyph, 1 rounded box, 2 ring; its parameter
out vec2 uv;
out vec2 inside_px;
flat out vec2 half_px;
flat out vec4 colour;
flat out vec2 kind;

void main() {
    vec2 px = in_box.xy + in_corner * in_box.zw;
    uv = in_source.xy + in_corner * in_source.zw;
    half_px = in_box.zw * 0.5;
    inside_px = (in_corner - 0.5) * in_box.zw;
    colour = in_colour;
    kind = in_kind;
    gl_Position = vec4(px / screen_px * vec2(2.0, -2.0) + vec2(-1.0, 1.0), 0.0, 1.0);
}
