"""Discovery and checks of the workers' offers (the descriptions of their operations), and a catalogue of all offered
operations."""
