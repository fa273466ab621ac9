# SPDX-License-Identifier: GPL-2.0-or-later
#
# A file that nobody has looked at since its filesystem was mounted is named without a pass over all
# directories, where it lies near its own; and it is named as well where it does not.

. "$SRCDIR/tests/loop/lib.sh"
need mkfs.xfs xfs_io jq python3

disk=$(new_disk 600M)
make_xfs "$disk"
mnt=$work/mnt
mkdir "$mnt" "$work/part"
mount "$disk" "$mnt" || skip "cannot mount XFS"
stats=/sys/fs/xfs/${disk#/dev/}/stats/stats
[ -r "$stats" ] || skip "XFS tells no statistics here"

python3 - "$mnt" <<'END'
import os, sys
for d in range(400):
    directory = f"{sys.argv[1]}/{d % 7}/{d}"
    os.makedirs(directory)
    for f in range(40):
        with open(f"{directory}/{f}", "w") as file:
            file.write("x" * 5000)
END
sync

forget() {
	umount "$mnt"
	mount "$disk" "$mnt"
}

# How often directories were read; a buffer of entries, and its end, is a read each.
n_reads() {
	awk '$1 == "dir" { print $5 }' "$stats"
}

# asked_names SECTOR: after how many reads of directories, and the names
asked_names() {
	local before found
	before=$(n_reads)
	found=$(names "$disk" "$1" 8)
	reads=$(($(n_reads) - before))
	printf '%s\n' "$found" > "$work/found"
}

for file in 0/0/0 3/388/39 6/202/17; do
	sector=$(sector_of "$mnt/$file")
	forget
	asked_names "$sector"
	check_equal "$file is named" "$mnt/$file" "$(cat "$work/found")"
	check "and few directories are read for it, not 400 ($reads reads)" test "$reads" -lt 120
done

# --- where it was not made

sector=$(sector_of "$mnt/5/397/3")
mv "$mnt/5/397/3" "$mnt/1/1/moved"
forget
asked_names "$sector"
check_equal "a file that was moved is named as it is called now" "$mnt/1/1/moved" "$(cat "$work/found")"

ln "$mnt/2/366/9" "$mnt/4/4/other"
sector=$(sector_of "$mnt/4/4/other")
forget
asked_names "$sector"
check_equal "all names of a file with two are found" "$(printf '%s\n' "$mnt/2/366/9" "$mnt/4/4/other")" \
	"$(cat "$work/found")"

mv "$mnt/3/381" "$mnt/0/381-moved"
sector=$(sector_of "$mnt/0/381-moved/8")
forget
asked_names "$sector"
check_equal "a file below a directory that was moved, too" "$mnt/0/381-moved/8" "$(cat "$work/found")"

make_file "$mnt/top" 8
sector=$(sector_of "$mnt/top")
forget
asked_names "$sector"
check_equal "a file of the root directory" "$mnt/top" "$(cat "$work/found")"

# --- where not all is mounted

sector=$(sector_of "$mnt/1/288/12")
other=$(sector_of "$mnt/2/289/13")
mount --bind "$mnt/1" "$work/part"
umount "$mnt"
echo 2 > /proc/sys/vm/drop_caches
check_equal "a file of the part that is mounted" "$work/part/288/12" "$(names "$disk" "$sector" 8)"
check_equal "one of another part has no name there" "false" "$(complete "$disk" "$other" 8)"

done_checks
