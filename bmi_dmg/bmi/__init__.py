"""The class that ngen steps: BMI, its variables, protocols, states, and how it starts."""
