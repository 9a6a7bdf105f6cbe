// Linear blend skinning: three rows of each bone's 3x4 matrix.
layout(std140) uniform Bones { vec4 rows[192]; };
in vec3 in_position;
in uvec4 in_bones;
in vec4 in_weights;

mat4 skin() {
    mat3x4 m = mat3x4(0.0);
    for (int k = 0; k < 4; k++) {
        int r = int(in_bones[k]) * 3;
        m += in_weights[k] * mat3x4(rows[r], rows[r + 1], rows[r + 2]);
    }
    return transpose(mat4(m[0], m[1], m[2], vec4(0.0, 0.0, 0.0, 1.0)));
}
