"""`pushwright doctor`: looks at everything that the bot needs and says what is missing."""
