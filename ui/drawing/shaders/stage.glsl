// The back of the stage, linear light.
#ifndef horizon_light  // else constants, defined in front of this
uniform vec3 horizon_light;
uniform vec3 zenith_light;
uniform vec3 glow_light;
#endif

#ifdef STRIPS
uniform vec3 strip_light[2];

// The angle of a tangent: to 0.001 within half a right angle, and never far off.
float angle_of(float tangent) {
    float square = tangent * tangent;
    return tangent * (15.0 + 4.0 * square) / (15.0 + 9.0 * square);
}

// Upright strips of light round the hall, seen at ``angle`` radians: x its brightness, y its halo's, z which colour,
// w how tall it is.
vec4 strip_at(float angle) {
    float strip = angle * 14.0;
    // Multiples of irrational numbers scatter as well as chance does, and cost less.
    vec2 chance = fract(floor(strip) * vec2(0.5698403, 0.7548777));
    float off = fract(strip) - 0.5;
    return vec4(1.0 - smoothstep(0.05, 0.16, abs(off)), 0.10 / (1.0 + 30.0 * off * off), chance);
}
#endif
