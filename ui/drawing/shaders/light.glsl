// Light on everything: one key light with a soft shadow, sky and floor bounce, two rims from behind.
uniform sampler2DShadow shadow_map;
uniform vec3 towards_light;
uniform vec3 eye_m;
#ifndef key_light  // else constants, defined in front of this
uniform vec3 key_light;
uniform vec3 sky_light;
uniform vec3 bounce_light;
uniform vec3 rim_left;
uniform vec3 rim_right;
#endif

// 1 in the light, 0 in the shadow. Bilinear comparisons: four for an edge of about three texels, twelve for a wide one.
float lit(vec3 light_clip) {
    vec3 p = light_clip * 0.5 + 0.5;
    vec2 texel = 0.75 / vec2(textureSize(shadow_map, 0));
    float z = p.z - 0.005;
    float near = texture(shadow_map, vec3(p.xy + texel * vec2(-1.0, -0.4), z))
               + texture(shadow_map, vec3(p.xy + texel * vec2(0.4, -1.0), z))
               + texture(shadow_map, vec3(p.xy + texel * vec2(1.0, 0.4), z))
               + texture(shadow_map, vec3(p.xy + texel * vec2(-0.4, 1.0), z));
#ifdef RICH
    vec2 wide = texel * 2.7;
    near += texture(shadow_map, vec3(p.xy + wide * vec2(-0.94, -0.35), z))
          + texture(shadow_map, vec3(p.xy + wide * vec2(-0.42, 0.91), z))
          + texture(shadow_map, vec3(p.xy + wide * vec2(0.35, -0.94), z))
          + texture(shadow_map, vec3(p.xy + wide * vec2(0.91, 0.42), z))
          + texture(shadow_map, vec3(p.xy + wide * vec2(0.62, -0.30), z))
          + texture(shadow_map, vec3(p.xy + wide * vec2(-0.62, 0.30), z))
          + texture(shadow_map, vec3(p.xy + wide * vec2(0.30, 0.62), z))
          + texture(shadow_map, vec3(p.xy + wide * vec2(-0.30, -0.62), z));
    return near / 12.0;
#else
    return 0.25 * near;
#endif
}

// Linear light to the screen: a soft shoulder, then gamma 2 (close to sRGB and far cheaper).
vec3 to_screen(vec3 light) {
    return sqrt(light / (1.0 + 0.35 * light));
}
