"""Models over labelled images: the plan, the loop, the collector of answers, and the stage that ties them together."""
