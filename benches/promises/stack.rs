//! The generator: a platform of tenants, each with a namespace, its quota, limits and network policies, and seven services, each with
//! service account, config map, deployment, service, budget and autoscaler, six of them with a network policy: 53 objects a tenant.
//! The deployments stand still (`paused`), so that there are no pods, and a server has them quickly, whatever number of replicas
//! they begin with.

use std::fs;
use std::path::{Path, PathBuf};

/// Objects of one tenant.
pub const PER_TENANT: usize = 53;

const SERVICES: [&str; 7] = ["analytics", "auth", "backend", "billing", "ml", "notification", "search"];

/// A stack on disk.
#[derive(Clone, Debug)]
pub struct Stack {
    pub name: String,
    pub folder: PathBuf,
    pub tenants: usize,
}

impl Stack {
    /// Writes one into `base/stacks`, of one replica each: as many as the server gives a deployment of itself.
    pub fn write(base: &Path, name: &str, tenants: usize) -> Self {
        Self::of_replicas(base, name, tenants, 1)
    }

    /// The same with so many replicas: the autoscalers' minimum, that deployments begin with.
    pub fn of_replicas(base: &Path, name: &str, tenants: usize, replicas: u32) -> Self {
        let stack = Self { name: name.to_owned(), folder: base.join("stacks").join(name), tenants };
        stack.file(
            "stack.toml",
            &format!(
                "name = \"{name}\"\n\n[tiers.standard]\ncpu = \"500m\"\nmemory = \"512Mi\"\nreplicas = {replicas}\n\n[deletes]\nmax = \"100%\"\n"
            ),
        );
        stack.file("environments/development.toml", "cluster = { context = \"*\" }\n");
        for service in SERVICES {
            stack.file(&format!("services/{service}.toml"), &service_text(service));
        }
        for tenant in 0..tenants {
            stack.file(&format!("tenants/t{tenant:04}.toml"), "tier = \"standard\"\n");
        }
        stack
    }

    /// Changes the configuration of so many tenants, and with it the pods that read it: two objects for each service.
    pub fn change(&self, tenants: usize, value: &str) {
        for tenant in 0..tenants {
            let overlays: Vec<String> =
                SERVICES.iter().map(|service| format!("\n[service.{service}.config]\nLOG_LEVEL = \"{value}\"\n")).collect();
            let overlays = overlays.concat();
            self.file(&format!("tenants/t{tenant:04}.toml"), &format!("tier = \"standard\"\n{overlays}"));
        }
    }

    /// How many objects it has.
    pub fn objects(&self) -> usize {
        self.tenants * PER_TENANT
    }

    /// Selects its objects.
    pub fn selector(&self) -> String {
        format!("spai.dev/stack={},spai.dev/environment=development", self.name)
    }

    fn file(&self, name: &str, text: &str) {
        let path = self.folder.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
}

fn service_text(name: &str) -> String {
    let network = if name == "search" { "" } else { "\n[network.data]\npeer = { namespace = \"data\" }\nports = [5432]\n" };
    format!(
        "tiers = \"all\"\nimage = {{ repository = \"registry.example/bench/{name}\", tag = \"1.2.3\" }}\n\n[ports.http]\nport = 8080\nprobe = {{ path = \"/healthz\" }}\n\n\
         [config]\nLOG_LEVEL = \"info\"\nTENANT = \"${{tenant.name}}\"\nREGION = \"eu-central-1\"\n\n[scaling]\ncpu = 70\n{network}\n\
         [[patch]]\nkind = \"Deployment\"\nspec.paused = true\n"
    )
}
