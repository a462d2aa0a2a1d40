"""List the commands of infantsynth for ``fidip``, which finds them through an entry point; load nothing."""

COMMANDS: dict[str, tuple[str, str]] = {
    "generate": ("infantsynth.commands.generate", "render labelled images of synthetic infants"),
    "render": ("infantsynth.commands.render", "render fitted bodies over backgrounds, with labels"),
    "film": ("infantsynth.commands.film", "render a labelled video of a moving synthetic infant"),
    "preview": ("infantsynth.commands.preview", "draw a contact sheet of a labelled split"),
    "fit": ("infantsynth.commands.fit", "fit a body model to 2D keypoints"),
    "demo": ("infantsynth.commands.demo", "make infants, train, test and predict, all in minutes"),
    "learn-prior": ("infantsynth.commands.learn_prior", "learn a pose prior from fits"),
}
