#version 330
uniform sampler2D picture;
in vec2 uv;
out vec4 screen;

void main() {
    vec2 edge = min(uv, 1.0 - uv) / fwidth(uv);
    float frame = clamp(1.5 - min(edge.x, edge.y), 0.0, 1.0);
    screen = vec4(mix(texture(picture, uv).rgb, vec3(0.03, 0.03, 0.05), frame), 1.0);
}
