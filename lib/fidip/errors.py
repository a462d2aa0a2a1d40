"""Errors that a user can mend; scripts print them as one line and exit with status 2."""


class FidipError(Exception):
    """Something in the user's hands is wrong; the message names the file, the record and the remedy."""


class ConfigError(FidipError):
    """A config has an unknown key, a wrong type, or contradicts itself."""


class DataError(FidipError):
    """An annotation, detection or results file, or a picture, cannot be used."""


class WeightsError(FidipError):
    """A checkpoint cannot be read safely or does not fit the network."""
