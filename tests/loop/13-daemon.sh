# SPDX-License-Identifier: GPL-2.0-or-later
#
# Resolve over the socket: the daemon's answers are those of hwpoisonctl without a daemon, also where
# all inodes must be searched; a search ends with the client that asked, and with the daemon, however
# that ends, and leaves neither process nor half a list of hints.

. "$SRCDIR/tests/loop/lib.sh"
need mkfs.xfs mkfs.ext4 xfs_io jq python3 setpriv unshare

ctl=$BUILDDIR/hwpoisonctl
daemon=$BUILDDIR/hwpoisond
ask=$SRCDIR/tests/loop/varlink-ask
mnt=$work/mnt
socket=$work/run/io.hwpoisond
mkdir -m 700 "$mnt" "$work/state"
mkdir "$work/run"
printf '[Feed]\nJournal=no\n' > "$work/conf"

# wait_until COMMAND...: within a minute
wait_until() {
	local tries
	for tries in {1..1200}; do
		"$@" && return
		sleep 0.05
	done
	return 1
}

# start_daemon [COMMAND...]: which starts it
start_daemon() {
	rm -f "$socket"
	"$@" "$daemon" --config "$work/conf" --state-dir "$work/state" --runtime-dir "$work/run" \
		>> "$work/daemon.log" 2>&1 &
	main=$!
	children+=($main)
	wait_until test -S "$socket" || { cat "$work/daemon.log"; exit 99; }
}

range() {
	jq -cn --arg device "$1" --argjson sector "$2" '{$device, $sector, n_sectors: 8}'
}

# by_socket DISK SECTOR, and by_hand
by_socket() {
	"$ask" "$socket" Resolve "$(range "$1" "$2")" | jq -c .
}
by_hand() {
	"$ctl" --socket "$work/none" --json resolve --device "$1" --sector "$2" --count 8 | jq -c .
}

# --- the same answers

start_daemon
# compare NAME MKFS...: mounted after the daemon has begun
compare() {
	local name=$1 disk sector answer
	disk=$(new_disk 320M)
	shift
	"$@" "$disk" >/dev/null 2>&1 && mount "$disk" "$mnt" || exit 99
	make_file "$mnt/file" 64
	sync
	sector=$(sector_of "$mnt/file")
	answer=$(by_socket "$disk" "$sector")
	check_equal "$name: the daemon names a file" "$mnt/file true" \
		"$(jq -r '.ranges[0] | "\(.owners[0].paths[0]) \(.owners_complete)"' <<< "$answer")"
	check_equal "$name: as hwpoisonctl does without it" "$(by_hand "$disk" "$sector")" "$answer"
	for sector in 0 64 200000 655352; do
		check_equal "$name: sector $sector is the same to both" "$(by_hand "$disk" $sector)" \
			"$(by_socket "$disk" $sector)"
	done
	umount "$mnt"
	losetup -d "$disk"
}
compare "XFS without a reverse map" mkfs.xfs -q -f -m rmapbt=0,reflink=1
compare "XFS with neither map nor reflink" mkfs.xfs -q -f -m rmapbt=0,reflink=0
compare "ext4" mkfs.ext4 -q -F -b 4096
compare "XFS with a reverse map" mkfs.xfs -q -f -m rmapbt=1,reflink=1

# --- a search that is not waited for

# Somebody's lease on a file makes each search last a second, which is enough to catch it.
disk=$(new_disk 320M)
mkfs.xfs -q -f -m rmapbt=0,reflink=1 "$disk" && mount "$disk" "$mnt" || exit 99
cat > "$work/fill.py" <<'PYTHON'
import fcntl, os, signal, sys, time
root = sys.argv[1]
for i in range(4300):
    with open(f"{root}/{i}", "w") as f:
        f.write("x" * 5000)
os.sync()
signal.signal(signal.SIGIO, signal.SIG_IGN)
held = open(f"{root}/4200", "r+")
fcntl.fcntl(held, fcntl.F_SETLEASE, fcntl.F_WRLCK)
open(sys.argv[2], "w").close()
time.sleep(1000)
PYTHON
start python3 "$work/fill.py" "$mnt" "$work/leased"
wait_until test -e "$work/leased" || exit 99
# The log is nobody's file, so that all inodes are looked at.
log=$(xfs_io -r -c 'fsmap -v' "$mnt" | sed -n 's/.*\[\([0-9]*\)\.\..*unknown.*/\1/p' | head -n 1)

# searcher: the daemon's child that searches, which is then stopped
searcher() {
	local pid
	for pid in $(cat /proc/$main/task/*/children); do
		if [ "$(cat /proc/$pid/comm 2>/dev/null)" = hwp-lookup ] && kill -STOP $pid; then
			worker=$pid
			return
		fi
	done
	return 1
}
is_gone() {
	[ ! -e "/proc/$1" ]
}
# ask_and_stop OPTION...: ask, and stop the search; once more if it was over too soon
ask_and_stop() {
	local tries
	for tries in {1..20}; do
		"$ask" "$@" "$socket" Resolve "$(range "$disk" "$log")" > "$work/unanswered" 2>&1 &
		client=$!
		until searcher; do
			kill -0 $client 2>/dev/null || continue 2
			sleep 0.02
		done
		return
	done
	return 1
}
has_no_child() {
	[ -z "$(cat /proc/$main/task/*/children)" ]
}

for i in 1 2 3 4 5 6; do
	rm -f "$work/leave"
	ask_and_stop --leave "$work/leave" || break
	touch "$work/leave"
	wait $client
	wait_until is_gone "$worker" || break
done
check_equal "six searches end with the clients that asked, also stopped ones, and are reaped" "6 gone" \
	"$i $(is_gone "$worker" && echo gone || echo "still there: $(cat "/proc/$worker/stat")")"
check "no place of a search is lost" wait_until has_no_child
check_equal "a list that is not finished is not left behind" "" "$(find "$work/state" -name 'hints*')"
check_equal "the next one is answered" "$(by_hand "$disk" "$log")" "$(by_socket "$disk" "$log")"
check_equal "and its hints are whole, and in the daemon's own directory" "hints-$(mountpoint -d "$mnt")" \
	"$(find "$work/state" -name 'hints*' -printf '%f\n')"

check "a search begins" ask_and_stop
kill "$main"
wait "$main"
check_equal "a daemon that is told to end does not wait for a search" 0 $?
wait $client
check "which is over" wait_until is_gone "$worker"

start_daemon
check "a search begins" ask_and_stop
kill -9 "$main"
wait "$main" 2>/dev/null
wait $client
check "a search is over when the daemon is killed" wait_until is_gone "$worker"
umount -l "$mnt"

# --- an ordinary user, of the group and not

# A group of that name, for the daemon alone.
chmod 755 "$work" "$mnt"
cp /etc/group "$work/group"
sed -i /^hwpoisond:/d "$work/group"
echo "hwpoisond:x:64999:" >> "$work/group"
# shellcheck disable=SC2016
start_daemon unshare -m --propagation slave sh -c 'mount --bind "$1" /etc/group && shift && exec "$@"' sh "$work/group"
disk=$(new_disk 320M)
mkfs.ext4 -q -F -b 4096 "$disk" && mount "$disk" "$mnt" || exit 99
make_file "$mnt/file" 64
sector=$(sector_of "$mnt/file")
member=(setpriv --reuid 65534 --regid 65534 --groups 64999 "$ctl" --socket "$socket")
stranger=(setpriv --reuid 65534 --regid 65534 --clear-groups "$ctl" --socket "$socket")
check_equal "a member of the group is answered by the daemon" "$mnt/file" \
	"$("${member[@]}" --json resolve --device "$disk" --sector "$sector" | jq -r '.ranges[0].owners[0].paths[0]')"
answer=$(printf '%s 8\nfoo\n99999999999 8\n0 8\n' "$sector" |
	"${member[@]}" --json resolve --device "$disk" --list - 2> "$work/errors"; echo $?)
check_equal "... a list of ranges as well, with what is wrong in it" "file-data metadata 1 2" \
	"$(head -n -1 <<< "$answer" | jq -r '[.ranges[].owners[0].kind] | join(" ")') $(tail -n 1 <<< "$answer") $(wc -l < "$work/errors")"
check_equal "anybody else is told what it takes" \
	"hwpoisonctl: resolve needs root, or a running hwpoisond and membership of group hwpoisond." \
	"$("${stranger[@]}" resolve --device "$disk" --list /dev/null 2>&1)"
umount "$mnt"

done_checks
