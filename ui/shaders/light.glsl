// Light on everything: one key light with a soft shadow, sky and floor bounce, a cool rim from behind.
uniform sampler2DShadow shadow_map;
uniform vec3 towards_light;
uniform vec3 eye_m;

const vec3 KEY = vec3(1.55, 1.42, 1.22);
const vec3 SKY = vec3(0.30, 0.34, 0.46);
const vec3 BOUNCE = vec3(0.24, 0.17, 0.13);
const vec3 RIM = vec3(0.22, 0.30, 0.48);

// 1 in the light, 0 in the shadow. Four bilinear comparisons: a soft edge of about three texels.
float lit(vec3 light_clip) {
    vec3 p = light_clip * 0.5 + 0.5;
    vec2 texel = 0.75 / vec2(textureSize(shadow_map, 0));
    float z = p.z - 0.005;
    return 0.25 * (texture(shadow_map, vec3(p.xy + texel * vec2(-1.0, -0.4), z))
                 + texture(shadow_map, vec3(p.xy + texel * vec2(0.4, -1.0), z))
                 + texture(shadow_map, vec3(p.xy + texel * vec2(1.0, 0.4), z))
                 + texture(shadow_map, vec3(p.xy + texel * vec2(-0.4, 1.0), z)));
}

// Linear light to the screen: a soft shoulder, then gamma 2 (close to sRGB and far cheaper).
vec3 to_screen(vec3 light) {
    return sqrt(light / (1.0 + 0.35 * light));
}
