"""From what people were told in the portal to what they are mailed: at once, once a day, or not at all."""
