"""What an evaluation of trained models leaves behind: simulated flow, scores, pictures."""
