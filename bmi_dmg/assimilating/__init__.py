"""What a hindcast with assimilation leaves behind."""
