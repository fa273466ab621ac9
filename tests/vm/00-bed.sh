# SPDX-License-Identifier: GPL-2.0-or-later
#
# The bed keeps its promises, without any daemon: poison stays unknown until a
# scrub, then reads fail and whole-page writes clear it; a refused clear and a
# shared block behave as facts and designs of this project rely on; phys_of and
# the machine checks hit what they aim at.

. "$SRCDIR/tests/vm/lib.sh"

bed_up
make_file $MNT/data 4M
phys=$(phys_of $MNT/data 8192)
sector=$(sector_of "$phys")
echo "# page at $phys, sector $sector"

# 256 bytes in the third sector of the page
poison $((phys + 1024)) 256
check_equal "the media know" "$(printf '%#x 256' $((phys + 1024)))" "$(media_list)"
check_equal "latent poison is in no list" "" "$(badblocks_list)$(badblocks_list region)"
check "and reads do not see it" reads $MNT/data 8192

scrub
check_equal "a scrub finds one sector" "$((sector + 2)) 1" "$(badblocks_list)"
check_equal "it was counted" 1 "$(knob n_scrub)"
check "the region lists it" test -n "$(badblocks_list region)"
check "reads of the page fail" ! reads $MNT/data 8192
check "reads beside it do not" reads $MNT/data 12288

knob clear_fail 1
check "a refused clear fails the write" ! write_page $MNT/data 8192
check_equal "and the sector stays bad" "$((sector + 2)) 1" "$(badblocks_list)"
check "a whole-page write clears" write_page $MNT/data 8192
check_equal "no list has it any more" "" "$(media_list)$(badblocks_list)$(badblocks_list region)"
check "reads work again" reads $MNT/data 8192
check_equal "in the same place" "$phys" "$(phys_of $MNT/data 8192)"
check_equal "two commands were sent" 2 "$(knob n_clear_error)"

# One block, two owners: moved aside, replaced, cleared (the method "remap").
# Who reads the page between pin and swap gets SIGBUS, because the pin unmaps it;
# a process that is stopped meanwhile gets nothing but the new block. On newer kernels (6.12) a fault
# in a shared block unmaps it for all others: of two that have it mapped, the last keeps it.
n_sigbus() {
	grep -c ^sigbus "$HWP/hold.$1"
}
clone_range $MNT/data 0 0 $MNT/clone 0
check_equal "a clone shares the block" "$phys" "$(phys_of $MNT/clone 8192)"
make_file $MNT/spare 4096
hold reader check $MNT/data --offset 8192
hold stopped check $MNT/data --offset 8192
poison "$phys" 4096 notify
check_equal "notify tells at once" "$sector 8" "$(badblocks_list)"
check "a shared bad page cannot be written" ! write_page $MNT/clone 8192
check "and who has it mapped reads on" test "$(n_sigbus reader)" = 0 -o "$(n_sigbus stopped)" = 0
kill -STOP "$(held stopped)"
wait_until 10 grep -q '^State:.T' "/proc/$(held stopped)/status" || die "a process stops"
n_before=$(n_sigbus stopped)
check "the bad block can be pinned" clone_range $MNT/data 8192 4096 $MNT/quarantine 0
check "a reader gets SIGBUS from there on" hold_says reader '^sigbus code=(2|4) '
check_equal "the pin is one more reference" "$phys" "$(phys_of $MNT/quarantine)"
check "the spare goes over one owner" clone_range $MNT/spare 0 4096 $MNT/data 8192
check "and over the other" clone_range $MNT/spare 0 4096 $MNT/clone 8192
kill -CONT "$(held stopped)"
check "both can be read" reads $MNT/clone 8192
check "the quarantine is the last owner, and clears" write_page $MNT/quarantine 0
check_equal "nothing is bad" "" "$(media_list)$(badblocks_list)$(badblocks_list region)"
check "the readers' mappings followed to the spare" hold_says reader '^changed'
check "so did the stopped one's" hold_says stopped '^changed'
check_equal "without a SIGBUS" "$n_before" "$(n_sigbus stopped)"
let_go reader
let_go stopped

# a new mapping of a bad page
poison "$phys" 256 notify
hold victim sleep $MNT/quarantine
check "a load of a bad page is a SIGBUS" hold_says victim '^sigbus code=(2|4) '
kill -USR2 "$(held victim)"
check "which it survives" hold_says victim '^now sigbus'
write_page $MNT/quarantine 0
kill -USR2 "$(held victim)"
check "and after the clear the mapping is fine" hold_says victim '^now crc='
let_go victim

# a real machine check
make_file $MNT/other 1M
phys=$(phys_of $MNT/other)
hold early sleep --early-kill $MNT/other
mce_srao "$phys"
check "a machine check reaches badblocks" wait_until 10 grep -q . /sys/block/pmem0/badblocks
check_equal "at its place" "$(sector_of "$phys") 8" "$(badblocks_list)"
check "and a process that wants to know" hold_says early '^sigbus code=5 .* offset=0$'
check "a whole-page write clears that too" write_page $MNT/other 0
check_equal "nothing is bad again" "" "$(badblocks_list)"
let_go early

# more than one answer to ARS_STATUS holds, and more than badblocks does
knob scrub_ms 10
for ((i = 0; i < 600; i++)); do
	poison $((phys + 4096 + i * 1024)) 512
done
check_equal "many ranges are kept" 600 "$(media_list | wc -l)"
check "a scrub gets over them" scrub
check_equal "of which the kernel keeps 512" 512 "$(badblocks_list | wc -l)"

done_checks
