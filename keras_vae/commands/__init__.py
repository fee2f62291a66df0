"""What the commands do, a module each: `keras_vae.cli` loads the one that is called."""
