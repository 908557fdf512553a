/* main/main.c - the program.
 * SPDX-License-Identifier: GPL-2.0-or-later */
int main(int argc, char **argv)
{
    return 0;
}
