#version 330
uniform sampler2D glyphs;
in vec2 uv;
in vec2 inside_px;
flat in vec2 half_px;
flat in vec4 colour;
flat in vec2 kind;
out vec4 screen;

const float TURN = 6.2831853;

void main() {
    float cover;
    if (kind.x < 0.5) {
        cover = texture(glyphs, uv).r;
    } else if (kind.x < 1.5) {
        // Rounded box: kind.y is the corner radius in pixels.
        vec2 d = abs(inside_px) - half_px + kind.y;
        cover = clamp(0.5 - (length(max(d, 0.0)) + min(max(d.x, d.y), 0.0) - kind.y), 0.0, 1.0);
    } else {
        // Ring, a quarter of its radius wide, filled clockwise from the top up to the share kind.y.
        float r = length(inside_px);
        float width = half_px.x * 0.22;
        float ring = clamp(width * 0.5 + 0.5 - abs(r - (half_px.x - width * 0.5 - 0.5)), 0.0, 1.0);
        float share = fract(atan(inside_px.x, -inside_px.y) / TURN + 1.0);
        cover = ring * (share <= kind.y ? 1.0 : 0.22);
    }
    screen = vec4(colour.rgb, colour.a * cover);
}
