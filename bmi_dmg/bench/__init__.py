"""What stepping and batches cost: the measurements behind ``bmi-dmg bench``.

- :mod:`bmi_dmg.bench.sizes`: how much is measured.
- :mod:`bmi_dmg.bench.domain`: catchments, weather and models to measure with.
- :mod:`bmi_dmg.bench.black_box`, :mod:`bmi_dmg.bench.batches`: scripts that measure, each in a process of its own.
- :mod:`bmi_dmg.bench.laboratory`: runs the scripts.
- :mod:`bmi_dmg.bench.figures`: the figures, from what the scripts measure.
- :mod:`bmi_dmg.bench.public_package`: what the public package ``dhbv2`` asks of files, to be measured on the same input.
- :mod:`bmi_dmg.bench.report`: all together, and as a table.
"""
