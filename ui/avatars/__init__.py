"""Bodies that users bring: glTF, VRM and SMPL-X files made into avatars of our own."""
