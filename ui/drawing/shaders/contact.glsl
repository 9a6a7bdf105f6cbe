// What a foot hides of the light is next to nothing further out than this, metres.
const float REACH = 0.26;
