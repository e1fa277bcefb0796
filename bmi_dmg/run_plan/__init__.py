"""What a run is: BMI objects handled as ngen handles them, and the plan of a run folder."""
