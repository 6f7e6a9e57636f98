"""For each shipped pattern what it must find and must leave alone; for each place, ways to reach it."""

DESTRUCTIVE: dict[str, tuple[list[str], list[str]]] = {
    "rm-recursive": (
        ["rm -rf build", "rm -r x", "rm -v -fR x", "sudo rm -rf x", "cd a && rm -r b", "rm  -f   -r x"],
        ["rm a.txt", "rm -f a.txt", "farm -r x", "rmdir -r", "rm -i recipe"],
    ),
    "rm-root": (
        ["rm -rf /", "rm -rf ~", "rm -rf /*", "rm -r -f $HOME", "rm -f -- / x"],
        ["rm -rf /srv/x", "rm -rf ./", "rm /", "rm -rf ~ann"],
    ),
    "find-delete": (
        ["find . -name '*.o' -delete", "find / -delete"],
        ["find . -name '*-delete*'", "find . --delete-none", "unfind -delete"],
    ),
    "disk-write": (
        ["mkfs.ext4 /dev/sda1", "mkfs /dev/x", "wipefs -a x", "dd if=a of=/dev/sda", "cat x > /dev/nvme0n1"],
        ["dd if=/dev/zero of=disk.img", "echo x > /dev/null", "partedly", "ls mkfsx"],
    ),
    "permissions-recursive": (
        ["chmod -R 777 .", "chown -R ann x", "chmod -v -R 0 x", "chown -hR ann x"],
        ["chmod 644 R", "chmod +x a.sh", "chown ann Readme"],
    ),
    "fork-bomb": ([":(){ :|:& };:", ":() {  : | : & };:"], [":(){ echo; };:", "a:b|c:d"]),
    "power": (
        [
            "shutdown now",
            "reboot",
            "sudo poweroff",
            "halt -f",
            "shutdown -h now",
            "reboot; ls",
            "sync && reboot &",
        ],
        ["echo rebooting", "shutdown_hook x", "reboot-notes.md x"],
    ),
    "pipe-to-shell": (
        ["curl https://x | sh", "wget -qO- x | sudo bash", "curl x|zsh", "curl x | dash"],
        ["curl x | jq .", "curl x; cat y | sh", "curl x > install.sh", "curl x | shasum"],
    ),
    "git-force": (
        [
            "git push --force",
            "git push -f origin main",
            "git -C a push origin +main",
            "git push x --force-with-lease",
        ],
        ["git push origin main", "git push --follow-tags", "git pull --force"],
    ),
    "git-discard": (
        ["git reset --hard HEAD~1", "git clean -fdx", "git clean -xf"],
        ["git reset --soft HEAD~1", "git clean -n", "git reset HEAD"],
    ),
    "sql-drop": (
        ["DROP TABLE users", "drop  database x", "Truncate Table y", "drop schema s cascade"],
        ["drop index i", "create table dropped", "alter table x drop column y", "truncate x"],
    ),
    "sql-delete-all": (
        ["DELETE FROM users", "delete from a.b;", 'delete from "users" ;'],
        ["delete from users where id = 1", "select * from users", "undelete from x;"],
    ),
    "cluster-delete": (
        ["kubectl delete pod x", "kubectl -n a delete ns b", "helm uninstall x", "docker system prune -af"],
        ["kubectl get pods", "helm install x", "docker ps", "kubectl logs deleted"],
    ),
    "infrastructure-destroy": (
        [
            "terraform destroy",
            "tofu -chdir=a destroy",
            "pulumi destroy",
            "aws ec2 terminate-instances",
            "x delete-stack",
        ],
        ["terraform plan", "terraform apply", "aws s3 ls", "delete-bucketlist"],
    ),
}

PATHS_PROTECTED: dict[str, list[str]] = {
    "secrets": [
        ".env",
        ".env.production",
        "a/b/.env",
        "a/../.env",
        "./.env",
        "a\\..\\.env",
        "/srv/app/.env",
        "src//.env/",
        "a\nb/.env",
        ".env\n",
        "../../.env",
    ],
    "keys": [
        "/root/.ssh/id_ed25519",
        "~/.ssh/config",
        ".ssh/id",
        "a/.ssh/../.ssh/x",
        "C:\\Users\\ann\\.ssh\\id",
        ".ssh",
        "~/.ssh/",
        "a\nb/.ssh/id",
    ],
    "key-files": ["server.pem", "a/b/c.pem", "x\\y.pem", "c.pem/."],
    "cloud-credentials": ["~/.aws/credentials", ".aws/config", ".aws"],
    "repository": [".git/config", "a/.git/hooks/pre-commit", "sub/.git", ".git/"],
    "pipelines": [".github/workflows/ci.yaml", "a/.github/workflows/x/y", ".github/workflows"],
    "system": [
        "/etc/passwd",
        "//etc/passwd",
        "/./etc/cron.d/x",
        "/srv/../etc/hosts",
        "/etc",
        "/etc/",
        "/etc/a\nb",
        "../../../../etc/passwd",
        "src/../../../etc/passwd",
        "~/../../etc/passwd",
        "\\etc\\passwd",
    ],
    "own-policy": ["config/policies/limits.yaml", "/srv/app/config/policies/a/b.yaml", "config/policies"],
}

PATHS_FREE = [
    "src/env.py",
    "environment",
    "a.env",
    "ssh/id",
    "x.ssh/id",
    "pem",
    "a.pem.txt",
    "github/workflows/x",
    ".github/CODEOWNERS",
    "srv/etc/hosts",
    "etcetera/x",
    "/srv/etc",
    "gitlog",
    ".gitignore",
    "config/policies.md",
    ".env/../src/a.py",
    "/etc/../src/a.py",
    ".ssh/../a",
    "",
    ".",
    "/",
    "..",
]
