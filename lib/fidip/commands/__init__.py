"""What the scripts under tools/ do, as functions that other programs can call too."""
