// The back of the stage, linear light.
const vec3 HORIZON = vec3(0.026, 0.021, 0.036);
const vec3 ZENITH = vec3(0.005, 0.006, 0.014);
const vec3 GLOW = vec3(0.13, 0.058, 0.066);
