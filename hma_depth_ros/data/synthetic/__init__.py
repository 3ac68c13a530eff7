"""A street that is rendered instead of recorded: images, exact depth, labels, LiDAR and poses.

`drive.SyntheticDrive` is the way in, `kitti_writer.write_kitti_drive` the way to disk. Read on in
this order: `street` and `style` (what street it is), `scene` (what stands and drives there),
`houses`, `vehicles`, `plants`, `furniture` (how things are built from the bodies of `solids`),
`rays`, `casting` and `ground` (what a sensor's rays meet), `patterns`, `paving` and `light` (what
that looks like), `imaging` and `lidar` (what the sensors make of it).
"""
