# SPDX-License-Identifier: LGPL-2.1-or-later
# What the tests of `qcow2bm libvirt` share, read with `.`: files as libvirt writes them, a real libvirt, and
# what is right for it.

# checkpoint NAME PARENT [TIME [DISKS]]: a file in the folder $points, 0600; PARENT "" for none; DISKS
# "vda=bitmap vdb=no".
checkpoint() {
	mkdir -p "$points"
	{
		printf '<!--\nWARNING: THIS IS AN AUTO-GENERATED FILE.\n-->\n\n'
		printf '<domaincheckpoint>\n  <name>%s</name>\n' "$1"
		[ -z "$2" ] || printf '  <parent>\n    <name>%s</name>\n  </parent>\n' "$2"
		printf '  <creationTime>%s</creationTime>\n  <disks>\n' "${3:-1700000000}"
		for one in ${4:-vda=bitmap vdb=bitmap}; do
			case $one in
			*=bitmap) printf "    <disk name='%s' checkpoint='bitmap' bitmap='%s'/>\n" "${one%=*}" "$1" ;;
			*) printf "    <disk name='%s' checkpoint='%s'/>\n" "${one%=*}" "${one#*=}" ;;
			esac
		done
		printf '  </disks>\n'
		sed 's/^/  /' "$xml"
		printf '</domaincheckpoint>\n'
	} >"$points/$1.xml"
	chmod 600 "$points/$1.xml"
}

# domain NAME: its XML in the file $xml, with disks vda and vdb in the work directory, a CD, and a secret.
domain() {
	mkdir -p "${xml%/*}"
	cat >"$xml" <<-EOF
	<domain type='qemu'><name>$1</name><uuid>8b441f2c-ea08-4778-b2d6-c66bc851c0a8</uuid>
	<description>SECRET</description>
	<memory unit='MiB'>32</memory><vcpu>1</vcpu>
	<os><type arch='x86_64'>hvm</type></os><devices>
	<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>
	<source file='$work/vda.qcow2'/><target dev='vda' bus='virtio'/></disk>
	<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>
	<source file='$work/vdb.qcow2'/><target dev='vdb' bus='virtio'/></disk>
	<disk type='file' device='cdrom'><target dev='sda' bus='sata'/><readonly/></disk>
	<graphics type='vnc' passwd='SECRET'/>
	</devices><seclabel type='none'/></domain>
	EOF
}

# make_sound: $points and $xml with three checkpoints over two layers of vda and one of vdb.
make_sound() {
	rm -rf "$points" ./*.qcow2
	domain guest
	qemu-img create -q -f qcow2 base.qcow2 8M
	qemu-img create -q -f qcow2 vdb.qcow2 8M
	for name in c1 c2; do
		qemu-img bitmap --add base.qcow2 $name
	done
	qemu-img create -q -f qcow2 -b base.qcow2 -F qcow2 vda.qcow2
	for name in c1 c2 c3; do
		qemu-img bitmap --add vda.qcow2 $name
		qemu-img bitmap --add vdb.qcow2 $name
	done
	checkpoint c1 '' 1700000001
	checkpoint c2 c1 1700000002
	checkpoint c3 c2 1700000003
}

# keep_sound, fresh: what make_sound made is kept, and brought back.
keep_sound() {
	rm -rf sound
	mkdir sound
	cp -p ./*.qcow2 sound
	cp -pR "$points" sound/points
	cp "$xml" sound/domain.xml
}
fresh() {
	rm -rf "$points" ./*.qcow2
	cp -p sound/*.qcow2 .
	mkdir -p "${points%/*}"
	cp -pR sound/points "$points"
	cp sound/domain.xml "$xml"
}

# prepare_virsh: for run_virsh the driver runs inside virsh, as root of a directory of its own: libvirt starts, does
# the commands, and ends.
prepare_virsh() {
	uri=qemu:///embed?root=$work/libvirt
	mkdir -p libvirt/etc
	configure_driver libvirt/etc/qemu.conf
}

# configure_driver FILE: guests run as whoever runs the tests, and nothing of the machine is changed for them.
configure_driver() {
	cat >"$1" <<-EOF
	stdio_handler = "file"
	security_driver = "none"
	user = "$(id -un)"
	group = "$(id -gn)"
	namespaces = []
	cgroup_controllers = []
	EOF
}

# run_virsh COMMANDS: by the libvirt at $uri. What it says is in virsh.log.
run_virsh() {
	timeout 120 virsh -q -c "$uri" "$1" >virsh.log 2>virsh.err
}

# put DISK-NUMBER OFFSET BYTE, point NAME: commands for run_virsh; the "guest" writes 64k there, a checkpoint is made.
put() {
	echo "qemu-monitor-command guest --hmp 'qemu-io -d /machine/peripheral/virtio-disk$1/virtio-backend \"write -P $3 $2 64k\"'"
}
point() {
	echo "<domaincheckpoint><name>$1</name></domaincheckpoint>" >"$1.xml"
	echo "checkpoint-create guest $1.xml"
}

# line NAME...: the tree that libvirt shows is these, one below the other.
line() {
	run_virsh "checkpoint-list guest --tree" || fail "$(cat virsh.err)"
	tr -d ' |+-' <virsh.log | grep . | tr '\n' ' ' >actual
	[ "$(cat actual)" = "$* " ] || fail "libvirt's tree: $(cat virsh.log) instead of $*"
	! grep -q -e 'lacks parent' -e circular -e 'inconsistent' virsh.err || fail "libvirt complains: $(cat virsh.err)"
}

# backup NAME: the command for run_virsh that makes inc-NAME-DISK of each disk: what changed since.
backup() {
	rm -f "inc-$1-vda" "inc-$1-vdb"
	cat >"b-$1.xml" <<-EOF
	<domainbackup mode='push'><incremental>$1</incremental><disks>
	<disk name='vda' type='file'><driver type='qcow2'/><target file='$work/inc-$1-vda'/></disk>
	<disk name='vdb' type='file'><driver type='qcow2'/><target file='$work/inc-$1-vdb'/></disk>
	</disks></domainbackup>
	EOF
	echo "backup-begin guest b-$1.xml"
}

# on_base NAME: the increments on the disks as they were at that time are the disks. For that all goes that was written
# since (written_since NAME DISK, the test's own, tells where), and must come from the increment. $top is the top
# layer of vda.
on_base() {
	for disk in vda vdb; do
		restore "$1" $disk
	done
}
restore() {
	image=vdb.qcow2
	[ "$2" = vdb ] || image=$top
	qemu-img convert -O qcow2 "$image" base-now
	for place in $(written_since "$1" "$2"); do
		qemu-io -c "write -P 99 $place 64k" base-now >/dev/null
	done
	qemu-img rebase -q -u -F qcow2 -b base-now "inc-$1-$2"
	qemu-img compare -q "inc-$1-$2" "$image" || fail "increment from $1 of $2 is not the disk"
}
