"""Work below the roots whose faults, or whose hanging, stay its own."""
