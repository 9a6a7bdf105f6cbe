// The back of the stage, linear light.
#ifndef horizon_light  // else constants, defined in front of this
uniform vec3 horizon_light;
uniform vec3 zenith_light;
uniform vec3 glow_light;
#endif

#ifdef STRIPS
uniform vec3 strip_light[2];

// Upright strips of light round the hall, seen at ``angle`` radians: x its brightness, y its halo's, z which colour,
// w how tall it is.
vec4 strip_at(float angle) {
    float strip = angle * 14.0;
    float chance = fract(sin(floor(strip) * 12.9898) * 43.758);
    float off = fract(strip) - 0.5;
    return vec4(1.0 - smoothstep(0.05, 0.16, abs(off)), 0.10 / (1.0 + 30.0 * off * off), fract(chance * 7.0), chance);
}
#endif
